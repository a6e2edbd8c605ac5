"""The settings and the base class that tap and target share."""
