"""What the budgets promise, measured."""
