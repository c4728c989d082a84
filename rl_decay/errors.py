"""The one class of mistakes that belong to the person, not to the program."""


class UserError(Exception):
    """A mistake of the person: one message that names the key, the value and the way out; shown without a traceback."""
