"""What is sealed opens only where it belongs, with a key we have."""

from __future__ import annotations

import pytest

from webapp.vault import Unsealable, Vault

OLD, NEW = ("old", b"1" * 32), ("new", b"2" * 32)
OUTPUT = {"holder": "Robin Sample", "balance": 2841.07}


def test_it_opens_what_it_sealed() -> None:
    vault = Vault([NEW])
    sealed = vault.seal(OUTPUT, place="run.output.1")
    assert "Robin" not in sealed
    assert vault.open(sealed, place="run.output.1") == OUTPUT


def test_a_value_moved_to_another_row_does_not_open() -> None:
    vault = Vault([NEW])
    with pytest.raises(Unsealable):
        vault.open(vault.seal(OUTPUT, place="run.output.1"), place="run.output.2")


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    before = Vault([OLD]).seal(OUTPUT, place="here")
    vault = Vault([NEW, OLD])
    assert vault.open(before, place="here") == OUTPUT
    assert vault.seal(OUTPUT, place="here").startswith("v1.new.")
    with pytest.raises(Unsealable):
        Vault([NEW]).open(before, place="here")


def test_damage_anywhere_is_noticed() -> None:
    vault = Vault([NEW])
    sealed = vault.seal("x", place="here")
    for position in range(len(sealed)):
        changed = "A" if sealed[position] != "A" else "B"
        damaged = sealed[:position] + changed + sealed[position + 1 :]
        try:
            assert vault.open(damaged, place="here") == "x", "base64's spare bits may differ, nothing else"
        except Unsealable:
            continue
        assert position >= len(sealed) - 4
    for junk in ("", "v1", "v1.new.é", "v2." + sealed[3:]):
        with pytest.raises(Unsealable):
            vault.open(junk, place="here")
