"""What users write: InferenceAutoscaler, ScalingPolicy and Scenario, checked here and compiled to the engine's spec."""
