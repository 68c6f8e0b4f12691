"""The live loop: collect all, decide all, act; and everything around it that a person or a probe looks at."""
