"""What is decided while a version rolls out. Pure: figures and time are passed in."""
