"""The registry's answers: index, downloads, the web API. One method an endpoint, in a table."""

import email.utils
import re

import metadata
import publish
from answer import Answer, Refused, as_json
from gate import Gate, is_read
from index import Index, index_entry
from owners import Owners, parse_logins
from request import Request

CRATE = r"/api/v1/crates/([^/]+)"
PER_PAGE_MAX = 100
# crates.io: src/util/errors/json.rs.
FORMAT_ERROR = (
    "The given API token does not match the format used by crates.io. Tokens generated before "
    "2020-07-14 were generated with an insecure random number generator, and have been revoked. "
    "You can generate a new token at https://crates.io/me. For more information please see "
    "https://blog.rust-lang.org/2020/07/14/crates-io-security-advisory.html. We apologize for any "
    "inconvenience.")
READ_ONLY = ("crates.io is currently in read-only mode. Please check https://status.crates.io/ "
             "for more information.")
UNVERIFIED = ("A verified email address is required to publish crates to crates.io. Visit "
              "https://crates.io/settings/profile to set and verify your email address.")
NOT_YOURS = ("this crate exists but you don't seem to be an owner. If you believe this is a "
             "mistake, perhaps you need to accept an invitation to be an owner before publishing.")


class Api:
    """shelf keeps the published files, settings say how the registry behaves; see registry.py."""

    def __init__(self, settings, shelf, index: Index, gate: Gate, owners: Owners):
        self._settings = settings
        self._shelf = shelf
        self._index = index
        self._gate = gate
        self._owners = owners

    def answer(self, request: Request) -> Answer:
        methods = []
        for method, pattern, endpoint in ROUTES:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                return self._call(endpoint, request, match.groups())
            if match:
                methods.append(method)
        if methods:
            raise Refused(405, "Method Not Allowed", [("Allow", ", ".join(sorted(methods)))])
        raise Refused(404, "Not Found")

    def _call(self, endpoint, request: Request, words: tuple) -> Answer:
        if self._settings.auth_required and is_read(request) and not self._is_open(request):
            self._gate.admit_reader(request)
        if "?" in request.target and endpoint is not Api.search:
            raise Refused(400, "this request takes no query")
        if request.method == "GET":
            request.want_no_body()
        return endpoint(self, request, *words)

    def _is_open(self, request: Request) -> bool:
        """What anybody may read although a token is required."""
        return self._settings.open_config and request.path == "/index/config.json"

    def index_file(self, request: Request, path: str) -> Answer:
        page = self._index.page(path)
        if page is None:
            raise Refused(404, "Not Found")
        validators = [("ETag", page.etag),
                      ("Last-Modified", email.utils.formatdate(page.modified, usegmt=True))]
        if _is_fresh(request, page):
            return Answer(304, headers=validators)
        kind = "application/json" if path == "config.json" else "text/plain"
        return Answer(200, page.body, kind, validators)

    def download(self, request: Request, name: str, vers: str) -> Answer:
        crate = self._shelf.crate(name, vers)
        if crate is None:
            raise Refused(404, f"crate `{name}` does not have a version `{vers}`")
        return Answer(200, crate, "application/gzip")

    def publish(self, request: Request) -> Answer:
        self._gate.want_credential(request)
        try:
            return self._publish(request)
        except Refused as refused:
            # crates.io's default hides a refusal of this endpoint behind a 200.
            if refused.status in (400, 422):
                refused.status = self._settings.refusal_status
            raise

    def _admit(self, request: Request, endpoint: str | None, **act: str) -> None:
        """As crates.io does: the form of the token, the account behind it, and what it may do."""
        if self._settings.cio_only and request.digest and not request.has_cio_form:
            raise Refused(401, FORMAT_ERROR)
        self._gate.admit(request, **act)
        if self._settings.locked:
            raise Refused(403, self._settings.locked)
        self._gate.want_permission(request, endpoint, act.get("name", ""))

    def _want_writable(self) -> None:
        if self._settings.read_only:
            raise Refused(503, READ_ONLY)

    def _admit_publisher(self, request: Request, upload) -> None:
        is_new = not self._index.versions(upload.name)
        if request.is_trusted is not None:
            self._gate.admit_trusted(request, upload.name, is_new)
            return
        self._admit(request, "publish-new" if is_new else "publish-update", mutation="publish",
                    name=upload.name, vers=upload.vers, cksum=upload.cksum)
        if self._settings.unverified:
            raise Refused(400, UNVERIFIED)

    def _publish(self, request: Request) -> Answer:
        # Cargo up to 1.95 names no type at all (measured), later ones this one.
        request.want_content_type("application/octet-stream", may_lack=True)
        upload = publish.take_apart(request.body)
        self._admit_publisher(request, upload)
        self._want_writable()
        upload.check_crate(self._settings.index_url)
        if self._index.versions(upload.name):
            self._owners.want_right(upload.name, NOT_YOURS)
        with self._shelf.lock:
            namesake = self._index.namesake(upload.name)
            if namesake not in (None, upload.name):
                raise Refused(400, f"crate was previously named `{namesake}`")
            if self._index.has_version(upload.name, upload.vers):
                raise Refused(400, f"crate version `{upload.vers}` is already uploaded")
            self._shelf.put(upload)
            self._index.add(index_entry(upload.metadata, upload.cksum))
        return as_json({"warnings": {
            "invalid_categories": [], "invalid_badges": [], "other": self._settings.warnings}})

    def yank(self, request: Request, name: str, vers: str) -> Answer:
        return self._set_yanked(request, name, vers, "yank")

    def unyank(self, request: Request, name: str, vers: str) -> Answer:
        return self._set_yanked(request, name, vers, "unyank")

    def _set_yanked(self, request: Request, name: str, vers: str, mutation: str) -> Answer:
        self._gate.want_credential(request)
        request.want_no_body()
        if not metadata.is_version(vers):
            raise Refused(400, f'"{vers}" is an invalid semver version')
        # As on crates.io, a missing crate is said before the token is looked at.
        self._want_crate(name)
        if all(row["vers"] != vers for row in self._index.versions(name)):
            raise Refused(404, f"crate `{name}` does not have a version `{vers}`")
        self._admit(request, "yank", mutation=mutation, name=name, vers=vers)
        self._want_writable()
        self._owners.want_right(name, "must already be an owner to yank or unyank")
        self._index.set_yanked(name, vers, mutation == "yank")
        return as_json({"ok": True})

    def owners_list(self, request: Request, name: str) -> Answer:
        if request.digest is not None or self._settings.auth_required:
            self._gate.admit(request, mutation="owners", name=name)
        self._want_crate(name)
        return as_json(self._owners.listing(name))

    def owners_add(self, request: Request, name: str) -> Answer:
        return as_json({"ok": True, "msg": self._owners.add(name, self._logins(request, name))})

    def owners_remove(self, request: Request, name: str) -> Answer:
        return as_json({"ok": True, "msg": self._owners.remove(name, self._logins(request, name))})

    def _logins(self, request: Request, name: str) -> list[str]:
        self._admit(request, "change-owners", mutation="owners", name=name)
        self._want_crate(name)
        self._want_writable()
        self._owners.want_right_to_modify(name)
        request.want_content_type("application/json")
        return parse_logins(request.body)

    def search(self, request: Request) -> Answer:
        query = request.query
        if query.keys() - {"q", "per_page"} or any(len(v) != 1 for v in query.values()):
            raise Refused(400, "a search takes one q and one per_page")
        count = query.get("per_page", ["10"])[0]
        if not (count.isascii() and count.isdigit() and 1 <= int(count) <= PER_PAGE_MAX):
            raise Refused(400, f"per_page is a number up to {PER_PAGE_MAX}")
        names = [n for n in self._index.names() if query.get("q", [""])[0].lower() in n.lower()]
        return as_json({"crates": [self._shelf.summary(n) for n in names[:int(count)]],
                        "meta": {"total": len(names)}})

    def me(self, request: Request) -> Answer:
        """crates.io shows this to its website only: the words tell whether the token is known."""
        if self._settings.cio_only and request.digest and not request.has_cio_form:
            raise Refused(401, FORMAT_ERROR)
        self._gate.admit(request)
        if self._settings.locked:
            raise Refused(403, self._settings.locked)
        raise Refused(403, "this action can only be performed on the crates.io website")

    def revoke(self, request: Request) -> Answer:
        self._admit(request, None)
        request.want_no_body()
        self._want_writable()
        self._gate.revoke(request.digest)
        return Answer(204)

    def revoke_trusted(self, request: Request) -> Answer:
        """204 for an unknown one, too."""
        if request.digest is None:
            raise Refused(401, "Missing `Authorization` header")
        if not request.is_trusted:
            raise Refused(401, "Invalid `Authorization` header: Failed to parse token")
        request.want_no_body()
        self._gate.revoke(request.digest)
        return Answer(204)

    def _want_crate(self, name: str) -> None:
        if not self._index.versions(name):
            raise Refused(404, f"crate `{name}` does not exist")


def _is_fresh(request: Request, page) -> bool:
    """RFC 9110, 13.2.2: a date counts only where no entity tag was sent."""
    tags = request.headers.get("If-None-Match")
    if tags is not None:
        return page.etag in [t.strip().removeprefix("W/") for t in tags.split(",")] or tags == "*"
    try:
        since = email.utils.parsedate_to_datetime(request.headers["If-Modified-Since"])
    except (TypeError, ValueError):
        return False
    return page.modified <= since.timestamp()


ROUTES = (
    ("GET", r"/index/(.+)", Api.index_file),
    ("GET", CRATE + r"/([^/]+)/download", Api.download),
    ("PUT", r"/api/v1/crates/new", Api.publish),
    ("DELETE", CRATE + r"/([^/]+)/yank", Api.yank),
    ("PUT", CRATE + r"/([^/]+)/unyank", Api.unyank),
    ("GET", CRATE + r"/owners", Api.owners_list),
    ("PUT", CRATE + r"/owners", Api.owners_add),
    ("DELETE", CRATE + r"/owners", Api.owners_remove),
    ("GET", r"/api/v1/crates", Api.search),
    ("GET", r"/api/v1/me", Api.me),
    ("DELETE", r"/api/v1/tokens/current", Api.revoke),
    ("DELETE", r"/api/v1/trusted_publishing/tokens", Api.revoke_trusted),
)
