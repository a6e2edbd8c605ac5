"""Records: from bytes to what a stream emits, with every digit. Knows neither Singer nor HTTP."""
