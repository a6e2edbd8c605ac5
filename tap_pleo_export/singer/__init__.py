"""What all plugins share: command line, output, signals, redaction, exact JSON. Knows nothing of Pleo."""
