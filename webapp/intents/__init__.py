"""Every write at Deck: the row first, then the call, then the row again.

Kill the process between any two steps and the worker finishes: each kind of write has a function that carries out
a pending intent, and it can be called again. The call is made with the intent's key, so Deck does it once.
"""

from .answering import AlreadyAnswered, answer
from .attempts import attempt, carry_out
from .disconnecting import disconnect, plan_disconnect
from .running import plan_run, plan_stop, start_run, stop_run
from .signing_in import AnotherSource, MustTypeAgain, hand_over_sign_in

__all__ = [
    "AlreadyAnswered",
    "AnotherSource",
    "MustTypeAgain",
    "answer",
    "attempt",
    "carry_out",
    "disconnect",
    "hand_over_sign_in",
    "plan_disconnect",
    "plan_run",
    "plan_stop",
    "start_run",
    "stop_run",
]
