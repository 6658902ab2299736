"""The domain, one noun per file."""

from .audit_entry import AuditEntry
from .browser_session import BrowserSession
from .chore import Chore
from .connect_session import ConnectSession
from .connection import Connection
from .delivery import Attempt, Delivery, Endpoint, HostEvent
from .error_report import ErrorReport
from .event import Event
from .follow import Follow
from .host import Host, HostKey
from .intent import Intent
from .invitation import Invitation
from .issue import Issue
from .person import Person
from .prompt import Prompt
from .run import Move, Run
from .source import Source
from .source_hour import SourceHour
from .staff import SavedView, Staff, StaffNote, StaffSession, StaffToken
from .task import Task
from .visit_event import VisitEvent

__all__ = [
    "Attempt",
    "AuditEntry",
    "BrowserSession",
    "Chore",
    "ConnectSession",
    "Connection",
    "Delivery",
    "Endpoint",
    "ErrorReport",
    "Event",
    "Follow",
    "Host",
    "HostEvent",
    "HostKey",
    "Intent",
    "Invitation",
    "Issue",
    "Move",
    "Person",
    "Prompt",
    "Run",
    "SavedView",
    "Source",
    "SourceHour",
    "Staff",
    "StaffNote",
    "StaffSession",
    "StaffToken",
    "Task",
    "VisitEvent",
]
