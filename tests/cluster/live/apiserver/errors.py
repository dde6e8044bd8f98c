"""What the server refuses, as the Status objects of the Kubernetes API."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """An answer that is a failure: its code, the machine-readable reason, and the message."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Json | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details, self.retry_after = details, retry_after

    def status(self) -> Json:
        """The body of the answer."""
        body: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        details = dict(self.details or {})
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        if details:
            body["details"] = details
        return body


def success(name: str = "", kind: str = "", uid: str = "") -> Json:
    """The Status that says that it is done."""
    body: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if name:
        body["details"] = {"name": name, "kind": kind, "uid": uid}
    return body


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(what: str, name: str, why: str) -> ApiError:
    place = f"{what} {name!r}".replace("'", '"') if name else what
    details = {"name": name, "kind": what} if name else {"kind": what}
    return ApiError(403, "Forbidden", f"{place} is forbidden: {why}", details=details)


def not_found(what: str, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{what} "{name}" not found', details=_about(what, name))


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def not_allowed(message: str) -> ApiError:
    return ApiError(405, "MethodNotAllowed", message)


def exists(what: str, name: str) -> ApiError:
    return ApiError(
        409, "AlreadyExists", f'{what} "{name}" already exists', details=_about(what, name)
    )


def conflict(what: str, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {what} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_about(what, name))


def stale(what: str, name: str) -> ApiError:
    why = "the object has been modified; please apply your changes to the latest version"
    return conflict(what, name, f"{why} and try again")


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def unsupported(message: str) -> ApiError:
    return ApiError(415, "UnsupportedMediaType", message)


def invalid(kind: str, name: str, field: str, why: str) -> ApiError:
    details = _about(kind, name) | {
        "causes": [{"reason": "FieldValueInvalid", "message": why, "field": field}]
    }
    message = f'{kind} "{name}" is invalid: {field}: {why}'
    return ApiError(422, "Invalid", message, details=details)


def over_budget(budget: str, why: str, retry_after: int | None = None) -> ApiError:
    """The 429 of an eviction that a PodDisruptionBudget does not allow."""
    cause = {"reason": "DisruptionBudget", "message": f"The disruption budget {budget} {why}"}
    return ApiError(
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
        details={"causes": [cause]},
        retry_after=retry_after,
    )


def _about(what: str, name: str) -> Json:
    kind, _, group = what.partition(".")
    about = {"name": name, "kind": kind}
    return about | {"group": group} if group else about
