"""Who owns a crate. A person who is added is only invited, as on crates.io, until accept()."""

import json
import re
import threading

from answer import Refused

LOGIN = re.compile(r"[A-Za-z0-9](-?[A-Za-z0-9]){0,38}")
TEAM = re.compile(r"github:[A-Za-z0-9-]+:[A-Za-z0-9_-]+")
INVITES_MAX = 10
# crates.io, src/models/team.rs and controllers/krate/owners.rs: what stands against a team.
TEAM_TEXTS = {
    "unknown": (400, "could not find the github team {org}/{team}. Make sure that you have the "
                     "right permissions in GitHub. See https://doc.rust-lang.org/cargo/reference/"
                     "publishing.html#github-permissions"),
    "foreign": (403, "only members of a team or organization owners can add it as an owner"),
    "closed": (403, "GitHub organization '{org}' has restricted OAuth access. Please contact an "
                    "organization owner to approve crates.io at "
                    "https://github.com/orgs/{org}/policies/applications/1002"),
    "unlinked": (400, "Cannot add a GitHub team as an owner without a connected GitHub account"),
}


def parse_logins(body: bytes) -> list[str]:
    """The logins of an add or remove request; refuses all but {"users": [text, …]}."""
    try:
        wanted = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON") from None
    is_known = isinstance(wanted, dict) and wanted.keys() == {"users"}
    logins = wanted["users"] if is_known else None
    if not isinstance(logins, list) or not logins or not all(isinstance(u, str) for u in logins):
        raise Refused(422, 'the body has to be {"users": [login, …]} and nothing else')
    if len(logins) > INVITES_MAX:
        raise Refused(400, f"too many invites for this request - maximum {INVITES_MAX}")
    if len(set(logins)) != len(logins):
        raise Refused(400, "a login stands twice in the request")
    return logins


class Owners:
    def __init__(self, publisher: str, people: tuple[str, ...]):
        self._publisher = publisher
        self._people = {publisher, *people}
        self._owners: dict[str, list[str]] = {}
        self._invited: dict[str, set[str]] = {}
        self._obstacles: dict[str, str] = {}
        self._memberships: set[str] = set()
        self._lock = threading.RLock()

    def of(self, crate: str) -> list[str]:
        with self._lock:
            return list(self._owners.setdefault(crate, [self._publisher]))

    def listing(self, crate: str) -> dict:
        ids = sorted(self._people)
        return {"users": [{
            "id": ids.index(login) + 1 if login in self._people else 1000,
            "login": login,
            "kind": "team" if ":" in login else "user",
            "url": f"https://github.com/{login.split(':')[-1]}",
            "name": login.split(":")[-1].capitalize(),
            "avatar": None,
        } for login in self.of(crate)]}

    def add(self, crate: str, logins: list[str]) -> str:
        """All or none of the logins; returns the message for the client."""
        with self._lock:
            owners = self.of(crate)
            for login in logins:
                self._check_may_join(login, owners)
            return ",".join(self._join(crate, login) for login in logins)

    def remove(self, crate: str, logins: list[str]) -> str:
        with self._lock:
            left = self.of(crate)
            for login in logins:
                if login not in left:
                    raise Refused(400, f"could not find owner with login `{login}`")
                left.remove(login)
            if all(":" in login for login in left):
                raise Refused(400, "cannot remove all individual owners of a crate. "
                                   "Team member don't have permission to modify owners, so at "
                                   "least one individual owner is required.")
            self._owners[crate] = left
            return "owners successfully removed"

    def accept(self, crate: str, login: str) -> None:
        """What the invited person does on the registry's website."""
        with self._lock:
            self._invited[crate].remove(login)
            self._owners[crate].append(login)

    def give(self, crate: str, *logins: str) -> None:
        """The crate is theirs from now on; whoever publishes here may not be among them."""
        with self._lock:
            self._owners[crate] = list(logins)

    def join(self, team: str) -> None:
        """Whoever publishes here is a member of the team."""
        self._memberships.add(team)

    def obstruct(self, team: str, obstacle: str) -> None:
        """One of TEAM_TEXTS stands against that team from now on."""
        self._obstacles[team] = obstacle

    def want_right(self, crate: str, words: str) -> None:
        if not {self._publisher, *self._memberships} & set(self.of(crate)):
            raise Refused(403, words)

    def want_right_to_modify(self, crate: str) -> None:
        owners = set(self.of(crate))
        if self._publisher in owners:
            return
        if self._memberships & owners:
            raise Refused(403, "team members don't have permission to modify owners")
        raise Refused(403, "only owners have permission to modify owners")

    def _check_team(self, login: str) -> None:
        handler, _, rest = login.partition(":")
        org, _, team = rest.partition(":")
        if handler != "github":
            raise Refused(400, "unknown organization handler, only 'github:org:team' is supported")
        if not team:
            raise Refused(400, "missing github team argument; format is github:org:team")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", org):
            raise Refused(400, "organization cannot contain special characters like "
                               f"{re.sub('[A-Za-z0-9_-]', '', org)[:1]}")
        obstacle = self._obstacles.get(login) or (None if TEAM.fullmatch(login) else "unknown")
        if obstacle:
            status, words = TEAM_TEXTS[obstacle]
            raise Refused(status, words.format(org=org, team=team))

    def _check_may_join(self, login: str, owners: list[str]) -> None:
        if login in owners:
            raise Refused(400, f"`{login}` is already an owner")
        if ":" in login:
            self._check_team(login)
        elif (not LOGIN.fullmatch(login) or login not in self._people):
            raise Refused(400, f"could not find user with login `{login}`")

    def _join(self, crate: str, login: str) -> str:
        if ":" in login:
            self._owners[crate].append(login)
            return f"team {login} has been added as an owner of crate {crate}"
        invited = self._invited.setdefault(crate, set())
        if login in invited:
            return f"user {login} already has a pending invitation to be an owner of crate {crate}"
        invited.add(login)
        return f"user {login} has been invited to be an owner of crate {crate}"
