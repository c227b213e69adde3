"""The exceptions of Ray."""


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        super().__init__(f"traceback\n{cause}")
        self.cause = cause
