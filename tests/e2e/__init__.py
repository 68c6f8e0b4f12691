"""The program from outside: the installed command against a real control plane and a real Prometheus."""
