"""The endpoints: Pleo's OpenAPI operations on a world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from flask import Flask, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from sandbox.auth import GrantError
from sandbox.conformance import validator, violations
from sandbox.items import ORGANIZATION
from sandbox.jobs import JOB_STATUSES
from sandbox.pages import PAGE_PARAMETERS, paginate
from sandbox.problems import (
    ITEMS_OF_FINISHED_JOB,
    JOB_NOT_FOUND,
    TOO_MANY_UPDATES,
    UPDATE_OF_FINISHED_JOB,
    Problem,
    undocumented,
)
from sandbox.recording import Change
from sandbox.values import JSON_TYPE, Json, encode

if TYPE_CHECKING:
    from sandbox.jobs import Job
    from sandbox.world import World

MAX_UPDATES = 100
DETAILS = ("externalId", "externalUrl", "exportedAt", "failureReasonType", "failureReason")
UPDATE_ERRORS = {
    "ACCOUNTING_ENTRY_DOES_NOT_EXIST": "Accounting entry does not exist.",
    "EXPORT_ENTRY_STATUS_UPDATE_FAILED": "The item's status does not allow this change.",
    "ACCOUNTING_ENTRY_UPDATE_FAILED": "Accounting entry update failed.",
}


def answer(value: object, status: int = 200) -> Response:
    """Return ``value`` as a JSON response."""
    return Response(encode(value), status, content_type=JSON_TYPE)


def _known(*names: str) -> None:
    """Refuse unknown query parameters: a misspelt filter must not pass unnoticed."""
    if unknown := sorted(set(request.args) - {*names}):
        raise undocumented(400, f"Unknown query parameters: {', '.join(unknown)}.")


def _uuid(name: str) -> str | None:
    value = request.args.get(name)
    if value is not None and violations("Uuid", value):
        raise undocumented(400, f"{name} must be a uuid.")
    return value


def _body(*, limit: int | None = None) -> Json:
    if request.mimetype != "application/json":
        raise undocumented(415, "The body must be application/json.")
    try:
        value = msgspec.json.decode(request.get_data())
    except msgspec.DecodeError:
        raise undocumented(400, "The body is not JSON.") from None
    if limit is not None and isinstance(value, list) and len(value) > limit:
        raise Problem(*TOO_MANY_UPDATES)
    return value


def _valid(schema: str, value: object) -> None:
    if found := violations(schema, value):
        raise undocumented(400, "; ".join(found[:3]))


class Api:
    """Pleo's operations, one per method; routes and scopes are in ``ROUTES``."""

    def __init__(self, pleo: World) -> None:
        self.pleo = pleo

    def _job(self, job_id: str) -> Job:
        for known, job in self.pleo.jobs.items():
            if known.lower() == job_id.lower():
                job.expire(self.pleo.now())
                return job
        raise Problem(*JOB_NOT_FOUND)

    def _changed(self, job: Job, entry: str | None, members: dict[str, str]) -> None:
        details = {name: value for name, value in members.items() if name in DETAILS}
        self.pleo.changes.append(Change(job.id, entry, members["status"], details))

    def list_jobs(self) -> Response:
        """``getExportJobsListV3``: newest first, as Pleo documents no order."""
        _known("company_id", "statuses", *PAGE_PARAMETERS)
        company, statuses = _uuid("company_id"), request.args.getlist("statuses")
        if not set(statuses) <= set(JOB_STATUSES):
            raise undocumented(400, "Unknown job status.")
        for job in self.pleo.jobs.values():
            job.expire(self.pleo.now())
        rows = [
            job.record
            for job in self.pleo.jobs.values()
            if (company is None or job.record["companyId"].lower() == company.lower())
            and (not statuses or job.status in statuses)
        ]
        rows.sort(key=lambda record: record["createdAt"], reverse=True)
        page = paginate(rows, request.args, self.pleo, f"jobs {company} {sorted(statuses)}")
        return answer({"data": page.rows, "pagination": page.info})

    def get_job(self, job_id: str) -> Response:
        """``getExportJobByIdV3``."""
        _known()
        return answer({"data": self._job(job_id).record})

    def list_job_items(self, job_id: str) -> Response:
        """``getExportJobItemsV3``: readable in any job status."""
        _known("status", *PAGE_PARAMETERS)
        job, status = self._job(job_id), request.args.get("status")
        if status is not None and not validator("ExportJobItemStatus").is_valid(status):
            raise undocumented(400, "Unknown job item status.")
        ids = [entry for entry, known in job.item_statuses.items() if status in (None, known)]
        page = paginate(ids, request.args, self.pleo, f"job items {job.id} {status}")
        rows = [job.row(entry) for entry in page.rows]
        return answer({"data": rows, "pagination": page.info})

    def update_job_items(self, job_id: str) -> Response:
        """``updateExportJobItemsV3``: accepted updates in ``data``, refused ones in ``errors``."""
        _known()
        job, updates = self._job(job_id), _body(limit=MAX_UPDATES)
        _valid("UpdateExportJobItemsV3", updates)
        if not job.running:
            raise Problem(*UPDATE_OF_FINISHED_JOB)
        names = {entry.lower(): entry for entry in job.item_statuses}
        accepted, refused = [], []
        for update in updates:
            entry = names.get(update["accountingEntryId"].lower())
            if entry in job.ignored:
                continue
            before = entry and job.row(entry)
            if (error := job.update(entry, update, self.pleo.now())) is None and entry is not None:
                accepted.append(job.row(entry))
                if accepted[-1] != before:
                    self._changed(job, entry, update)
            else:
                message = UPDATE_ERRORS[str(error)]
                refused.append({"accountingEntryId": update["accountingEntryId"], "message": message, "type": error})
        return answer({"data": accepted, "errors": refused})

    def list_items(self) -> Response:
        """``getExportItemsV3``: the items of a running job, regardless of their status."""
        _known("job_id", *PAGE_PARAMETERS)
        if (job_id := _uuid("job_id")) is None:
            raise undocumented(400, "job_id is required.")
        job = self._job(job_id)
        if not job.running:
            raise Problem(*ITEMS_OF_FINISHED_JOB)
        rows = job.shuffled() if self.pleo.shuffle_items else job.items
        page = paginate(rows, request.args, self.pleo, f"items {job.id}", self.pleo.empty_page_at)
        rows = list(page.rows)
        if self.pleo.serve_files:
            rows = [self.pleo.files.renewed(item, self.pleo.now()) for item in rows]
        return answer({"data": rows, "pagination": page.info})

    def get_file(self, name: str) -> Response:
        """A file behind a signed link, without other credentials."""
        given = request.args
        return self.pleo.files.answer(name, given.get("expires", ""), given.get("signature", ""), self.pleo.now())

    def create_event(self) -> Response:
        """``createExportJobEventV3``."""
        _known()
        event = _body()
        _valid("CreateExportJobEvent", event)
        job = self._job(event["jobId"])
        job.apply(event, self.pleo.now())
        self.pleo.ended(job)
        self._changed(job, None, event | {"status": job.status})
        return Response(status=202)

    def list_companies(self) -> Response:
        """``GET /v1/companies``: the companies of one organization, oldest first; Pleo documents no order."""
        _known("organization_id", *PAGE_PARAMETERS)
        organization = _uuid("organization_id")
        if organization is not None and organization.lower() != ORGANIZATION:
            raise undocumented(403, "The credentials do not reach this organization.")
        page = paginate(list(self.pleo.companies.values()), request.args, self.pleo, "companies")
        return answer({"data": [company.record for company in page.rows], "pagination": page.info})

    def get_company(self, company_id: str) -> Response:
        """``GET /v1/companies/{companyId}``."""
        _known()
        company = self.pleo.companies.get(company_id.lower())
        if company is None:
            raise undocumented(404, "Unknown company.")
        return answer({"data": company.record})

    def token(self) -> Response:
        """The authorisation server's token endpoint."""
        try:
            granted = self.pleo.credentials.grant(request.form, request.authorization, self.pleo.now(), self.pleo)
        except GrantError as error:
            return answer({"error": error.code}, error.status)
        response = answer(granted)
        response.headers["Cache-Control"] = "no-store"
        return response


ANY_SCOPE = "any"
# Method, path, operation, required scope; None: no credentials of the API.
ROUTES = (
    ("GET", "/v3/export-jobs", Api.list_jobs, "export-jobs:read"),
    ("GET", "/v3/export-jobs/<job_id>", Api.get_job, "export-jobs:read"),
    ("GET", "/v3/export-jobs/<job_id>/items", Api.list_job_items, "export-jobs:read"),
    ("PUT", "/v3/export-jobs/<job_id>/items", Api.update_job_items, "export-jobs:write"),
    ("GET", "/v3/export-items", Api.list_items, "export-items:read"),
    ("POST", "/v3/export-job-events", Api.create_event, "export-jobs:write"),
    # Pleo names no scope for these.
    ("GET", "/v1/companies", Api.list_companies, ANY_SCOPE),
    ("GET", "/v1/companies/<company_id>", Api.get_company, ANY_SCOPE),
    ("POST", "/oauth/token", Api.token, None),
    ("GET", "/files/<path:name>", Api.get_file, None),
)


def build(pleo: World) -> Flask:
    """Return the WSGI application of a world."""
    app = Flask("sandbox", static_folder=None)
    app.url_map.strict_slashes = True
    # An error in the sandbox itself must reach the test, not look like one of Pleo's.
    app.config["PROPAGATE_EXCEPTIONS"] = True
    api = Api(pleo)
    for verb, path, operation, scope in ROUTES:

        def view(
            operation: Any = operation,  # noqa: ANN401 - operations differ in their path parameters
            scope: str | None = scope,
            **path_parameters: str,
        ) -> Response:
            if scope is not None:
                pleo.credentials.identify(request.authorization, pleo.now())
                if scope not in {*pleo.scopes, ANY_SCOPE}:
                    raise undocumented(403, f"The credentials lack the scope {scope}.")
            for name, value in path_parameters.items():
                if name.endswith("_id") and violations("Uuid", value):
                    raise undocumented(400, f"{name} must be a uuid.")
            response: Response = operation(api, **path_parameters)
            return response

        app.add_url_rule(
            path, endpoint=operation.__name__, view_func=view, methods=[verb], provide_automatic_options=False
        )
    app.register_error_handler(Problem, lambda problem: answer(problem.body, problem.status))
    app.register_error_handler(
        HTTPException, lambda error: answer({"type": str(error.name).upper().replace(" ", "_")}, error.code or 500)
    )
    return app
