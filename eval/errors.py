"""What ends an evaluation early."""

from cvpire.errors import CvpireError


class EvaluationError(CvpireError):
    """An evaluation cannot start or go on; the message is one sentence for the user."""
