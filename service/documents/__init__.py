"""Reads uploaded documents into blocks of text. Uploads are hostile until parsed; nothing in them is executed."""
