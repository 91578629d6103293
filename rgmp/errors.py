"""The one exception that stands for a mistake of the user's."""


class UserError(Exception):
    """Bad input: one line saying what, where, what is allowed and what to do.

    `rgmp.cli.main` prints it to standard error and exits with status 2. Any other exception is a
    fault of this package and keeps its traceback.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(line.strip() for line in message.splitlines()))
