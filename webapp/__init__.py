"""Gangway: the connect flow for Deck v2. `create_app` is all the wiring, on one page.

Its imports are inside, so that `webapp.twin` can be used without the web app.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from .config import Config


def create_app(config: Config | None = None, *, serves: str = "all", beside_others: bool = False) -> Flask:
    """The WSGI app; settings come from the environment unless given. `BadSetting` when they cannot work.

    *serves* is all, web or webhooks: Deck's door may be a process of its own, which nothing else can make slow. Such
    a part has other processes beside it whatever the database, and so has a command somebody types (*beside_others*).
    """
    from flask import Flask
    from flask_migrate import Migrate

    from . import (
        account,
        assets,
        connect,
        connections,
        db,
        door,
        errors,
        forgotten,
        forwarded,
        frame,
        headers,
        invited,
        live,
        pages,
        phone,
        support,
        webhooks,
    )
    from .budget import SECONDS, Budget
    from .bus import bus_for
    from .config import Config
    from .current import Parts
    from .deck import DeckClient, Signatures
    from .hosts import api
    from .limits import Limits, Window
    from .ops import crowd, health, watching
    from .streams import Streams
    from .vault import Vault

    config = config or Config.from_env(os.environ)
    for chatty in ("httpx", "httpcore"):  # they log addresses with their queries
        logging.getLogger(chatty).setLevel(logging.WARNING)
    app = Flask(__name__, template_folder=assets.shipped("templates"), static_folder=assets.shipped("static"))
    app.config.update(
        SECRET_KEY=config.secret_key,
        SQLALCHEMY_DATABASE_URI=config.database_url,
        SQLALCHEMY_ENGINE_OPTIONS={
            "hide_parameters": True,
            "poolclass": db.CountedPool,
            **db.pool(config.database_url),
        },
        SESSION_COOKIE_NAME="__Host-gangway" if config.secure else "gangway",
        SESSION_COOKIE_SECURE=config.secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SEND_FILE_MAX_AGE_DEFAULT=0,
        MAX_CONTENT_LENGTH=16_000,  # of a form; the API and webhooks say what theirs may have
        MAX_FORM_PARTS=100,
        TRUSTED_HOSTS=None if ":" in config.hostname else [config.hostname],  # an IPv6 address: see errors.py
    )
    may_have_peers = config.may_have_peers or serves != "all" or beside_others
    budget = Budget(Window(config.redis_url, may_have_peers=may_have_peers, steady=SECONDS))
    app.url_map.merge_slashes = False  # a redirect would count as a failed webhook
    app.extensions["gangway"] = Parts(
        config=config,
        deck=DeckClient(api_key=config.deck_api_key, base_url=config.deck_base_url, gate=budget),
        signatures=Signatures(config.deck_webhook_secrets),
        bus=bus_for(config.redis_url, may_have_peers=may_have_peers),
        vault=Vault(config.vault_keys),
        limits=Limits(Window(config.redis_url)),
        budget=budget,
        streams=Streams(),
    )
    db.init_app(app)
    Migrate(app, db.db, directory=assets.shipped("migrations"))
    door.login_manager.init_app(app)
    app.session_interface = door.Cookies(app)
    for room in (watching, crowd, errors, headers, assets, pages, health):
        room.init_app(app)
    doors = {
        "web": (
            account.bp,
            forgotten.bp,
            connect.bp,
            connections.bp,
            live.bp,
            invited.bp,
            frame.bp,
            phone.bp,
            api.bp,
            support.bp,
            support.api,
        ),
        "webhooks": (webhooks.bp,),
    }
    for blueprint in sum(doors.values(), ()) if serves == "all" else doors[serves]:
        app.register_blueprint(blueprint)
    if config.proxy_hops:
        app.wsgi_app = forwarded.BehindProxies(app.wsgi_app, config.proxy_hops)  # type: ignore[method-assign]
    return app
