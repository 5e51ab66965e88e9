"""What usage costs, and what it could: the arithmetic of reports, budgets, forecasts and savings. Pure."""
