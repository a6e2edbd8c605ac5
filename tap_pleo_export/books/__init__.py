"""The vouchers that the models publish, as Python objects, and the tables that report on their booking."""
