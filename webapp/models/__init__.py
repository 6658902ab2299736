"""The domain, one noun per file."""

from .browser_session import BrowserSession
from .chore import Chore
from .connect_session import ConnectSession
from .connection import Connection
from .delivery import Attempt, Delivery, Endpoint, HostEvent
from .event import Event
from .host import Host, HostKey
from .intent import Intent
from .invitation import Invitation
from .person import Person
from .prompt import Prompt
from .run import Move, Run
from .source import Source
from .task import Task
from .visit_event import VisitEvent

__all__ = [
    "Attempt",
    "BrowserSession",
    "Chore",
    "ConnectSession",
    "Connection",
    "Delivery",
    "Endpoint",
    "Event",
    "Host",
    "HostEvent",
    "HostKey",
    "Intent",
    "Invitation",
    "Move",
    "Person",
    "Prompt",
    "Run",
    "Source",
    "Task",
    "VisitEvent",
]
