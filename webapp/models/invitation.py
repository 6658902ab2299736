"""A host's side of a connect session: who may open it, until when, and what the host learns."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ForeignKey, Index, String, select, update
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from ..db import Json, Model, Moment, add_row, changed_one, db, now
from .browser_session import hashed
from .connect_session import ConnectSession
from .connection import Connection
from .host import Host, HostKey
from .news import host_events
from .refs import Ref, new_ref
from .run import Run

START_WITHIN = timedelta(minutes=30)
LONGEST_LINK = timedelta(days=21)
EXCHANGE_WITHIN = timedelta(minutes=30)


@dataclass(frozen=True)
class Link:
    """What the host is given, once: only a hash of the token is kept."""

    ref: str
    token: str

    @classmethod
    def new(cls, host: Host, ref: str = "") -> Link:
        return cls(ref or new_ref(), f"ct_{'test' if host.is_test else 'live'}_{secrets.token_urlsafe(32)}")


class Invitation(Model):
    """One use: whoever opens it first is the person it was made for."""

    __tablename__ = "invitation"
    __table_args__ = (Index(None, "opened_at", "expires_at"), Index(None, "host_id", "opened_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[Ref]
    connect_session_id: Mapped[int] = mapped_column(ForeignKey("connect_session.id", ondelete="CASCADE"), unique=True)
    host_id: Mapped[int] = mapped_column(ForeignKey("host.id", ondelete="CASCADE"))
    host_key_id: Mapped[int | None] = mapped_column(ForeignKey("host_key.id", ondelete="SET NULL"), index=True)
    """The key the link was made with; null when no key made it, as when support did."""
    form: Mapped[str | None] = mapped_column(String(300), unique=True)
    """The host's Idempotency-Key, after the host's own id: a repeated request meets itself here."""
    request_digest: Mapped[str] = mapped_column(String(64), default="")
    """What that request asked for: the same key with another request is a mistake."""
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[Moment]
    opened_at: Mapped[Moment | None]
    return_url: Mapped[str] = mapped_column(String(2000), default="")
    state: Mapped[str] = mapped_column(String(500), default="")
    tags: Mapped[Json] = mapped_column(default=dict)
    wishes: Mapped[Json] = mapped_column(default=dict, server_default="{}")
    """What this one visit asked for beyond the host's own: see `webapp.wishes`."""
    public_token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Of what the host's page was handed when it had worked; the host's server exchanges it, once."""
    public_token_until: Mapped[Moment | None]
    exchanged_at: Mapped[Moment | None]
    created_at: Mapped[Moment] = mapped_column(default=now)

    host: Mapped[Host] = relationship()
    connect_session: Mapped[ConnectSession] = relationship()

    @property
    def features(self) -> list[str]:
        """What the visit can do beyond connecting one account."""
        return list(self.wishes.get("features", []))

    @property
    def is_expired(self) -> bool:
        return self.opened_at is None and now() > self.expires_at

    @classmethod
    def by_ref(cls, ref: str, host: Host) -> Invitation | None:
        """Looked up through its host: another company's is nobody's."""
        query = select(Invitation).filter_by(ref=ref, host_id=host.id)
        return db.session.scalar(query.options(joinedload(Invitation.connect_session)))

    @classmethod
    def by_token(cls, token: str) -> Invitation | None:
        query = select(Invitation).filter_by(token_hash=hashed(token))
        return db.session.scalar(query.options(joinedload(Invitation.connect_session), joinedload(Invitation.host)))

    @classmethod
    def of_visit(cls, session: ConnectSession) -> Invitation | None:
        query = select(Invitation).filter_by(connect_session_id=session.id).options(joinedload(Invitation.host))
        return db.session.scalar(query)

    @classmethod
    def latest_about(cls, connection: Connection) -> Invitation | None:
        """The last visit a host made in which this connection was read."""
        query = select(Invitation).join(Run, Run.connect_session_id == Invitation.connect_session_id)
        return db.session.scalar(query.where(Run.connection_id == connection.id).order_by(Run.id.desc()).limit(1))

    @classmethod
    def by_public_token(cls, token: str, host: Host) -> Invitation | None:
        query = select(Invitation).filter_by(public_token_hash=hashed(token), host_id=host.id)
        return db.session.scalar(query.options(joinedload(Invitation.connect_session)))

    @classmethod
    def issue(cls, host: Host, session: dict[str, Any], **more: Any) -> Link:
        """A visit with the columns of *session*, and a host's side of it. Inside `writing()`."""
        link, visit = Link.new(host), add_row(ConnectSession, session)
        names = {"connect_session_id": visit, "host_id": host.id, "ref": link.ref, "token_hash": hashed(link.token)}
        add_row(Invitation, {**names, **more})
        return link

    @classmethod
    def revoke_key(cls, key: HostKey) -> int:
        """From now on *key* opens nothing, nor do the links made with it; visits that somebody opened go on.

        How many links ran out with it. Inside `writing()`.
        """
        key.revoked_at = now()
        waiting = (cls.host_key_id == key.id, cls.opened_at.is_(None), cls.expires_at > now())
        ran_out = update(cls).where(*waiting).values(expires_at=now()).execution_options(synchronize_session=False)
        return int(getattr(db.session.execute(ran_out), "rowcount", 0))

    def renew(self, key_id: int) -> Link:
        """A new link to the same, now made with this key; the old one is worth nothing. Inside `writing()`."""
        link = Link.new(self.host, self.ref)
        self.token_hash, self.host_key_id = hashed(link.token), key_id
        return link

    def open(self, device: str) -> bool:
        """Use it up: of two who try, one wins. The visit begins now, on *device*. Inside `writing()`."""
        # A link that was being made while its key was revoked did not run out with it.
        revoked = select(HostKey.id).where(HostKey.id == Invitation.host_key_id, HostKey.revoked_at.is_not(None))
        unused = (Invitation.id == self.id, Invitation.opened_at.is_(None), Invitation.expires_at > now())
        if not changed_one(update(Invitation).where(*unused, ~revoked.exists()).values(opened_at=now()), self):
            return False
        self.connect_session.created_at, self.connect_session.device = now(), device
        host_events().note(self.connect_session, "OPEN")
        return True

    def new_public_token(self) -> str | None:
        """Handed to the host's page; replaces one nobody exchanged, None once one was. Inside `writing()`."""
        token = f"pt_{'test' if self.host.is_test else 'live'}_{secrets.token_urlsafe(32)}"
        values = {"public_token_hash": hashed(token), "public_token_until": now() + EXCHANGE_WITHIN}
        free = (Invitation.id == self.id, Invitation.exchanged_at.is_(None))
        return token if changed_one(update(Invitation).where(*free).values(**values), self) else None

    def exchange(self) -> bool:
        """Use the public token up: of two who try, one wins. Inside `writing()`."""
        free = (Invitation.id == self.id, Invitation.exchanged_at.is_(None), Invitation.public_token_until > now())
        return changed_one(update(Invitation).where(*free).values(exchanged_at=now()), self)

    def expire(self) -> None:
        """Nobody opens it any more, and whoever is in it is out. Inside `writing()`."""
        self.expires_at = now()
        if self.connect_session.ended_at is None:
            self.connect_session.end()
