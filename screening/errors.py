"""The root of the errors that a user can bring about; their messages are Chinese and safe to show."""


class MingjianError(Exception):
    """Something the user can mend: a wrong input, a broken file, a missing part."""
