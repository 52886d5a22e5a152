"""What ends an evaluation early."""


class EvaluationError(Exception):
    """An evaluation cannot start or go on; the message is one sentence for the user."""
