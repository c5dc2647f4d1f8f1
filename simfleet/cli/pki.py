"""`simfleet pki`: a certificate authority of one's own, for OCPP security profiles 2 and 3."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from simfleet.cli.exit_codes import ExitCode
from simfleet.clock import iso, real_wall_s
from simfleet.csms.pki_folder import HOSTS, PkiFolder, read_file
from simfleet.errors import UsageWrong

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from simfleet.pki.authority import Authority

DAY_S: Final = 86_400.0


def main(arguments: argparse.Namespace) -> int:
    """Run the verb. Raises `UsageWrong`."""
    VERBS[arguments.verb](arguments)
    return ExitCode.PASSED


def _init(arguments: argparse.Namespace) -> None:
    folder = PkiFolder(arguments.folder)
    hosts = tuple(dict.fromkeys(arguments.host)) or HOSTS
    folder.init(at_wall_s=real_wall_s(), hosts=hosts, days=arguments.days, force=arguments.force)
    print(f"CA      {folder.ca_pem} (what stations are to trust); its key: {folder.ca_key}")
    print(f"server  {folder.server_pem} for {', '.join(hosts)}")
    print(f"\n  simfleet csms --pki {folder.path} --security-profile 3")
    print(f"  simfleet pki issue {folder.path} IDENTITY")


def _issue(arguments: argparse.Namespace) -> None:
    folder = PkiFolder(arguments.folder)
    authority, at_wall_s = folder.authority(), real_wall_s()
    for identity in dict.fromkeys(arguments.identity):
        pem = folder.issue(
            identity,
            authority=authority,
            at_wall_s=at_wall_s,
            days=arguments.days,
            force=arguments.force,
        )
        print(f"{identity}\t{pem}\t{folder.charger_key(identity)}")


def _show(arguments: argparse.Namespace) -> None:
    folder = PkiFolder(arguments.folder)
    authority = folder.authority()
    _print("CA", folder.ca_pem, authority)
    problems = _print("server", folder.server_pem, authority)
    for identity in folder.identities():
        problems += _print("charger", folder.charger_pem(identity), authority)
    if problems:
        print(f"{problems} of these cannot be used", file=sys.stderr)


def _print(what: str, path: Path, authority: Authority) -> int:
    """One line about a certificate; 1 if it cannot be used, which the line says."""
    from simfleet.pki.authority import hosts_in
    from simfleet.pki.checks import CertificateUnreadable, facts_of

    at_wall_s = real_wall_s()
    try:
        pem = read_file(path)
        facts, hosts = facts_of(pem), hosts_in(pem)
    except (UsageWrong, CertificateUnreadable) as wrong:
        print(f"{what}\t{path}\t{wrong}")
        return 1
    problem = authority.problem_with(pem, at_wall_s=at_wall_s)
    left_days = int((facts.not_after_s - at_wall_s) // DAY_S)
    state = problem or f"valid until {iso(facts.not_after_s)}, {left_days} days"
    names = f" ({', '.join(hosts)})" if hosts else ""
    print(f"{what}\t{path}\t{facts.common_name}{names}\t{state}")
    return int(problem is not None)


VERBS = {"init": _init, "issue": _issue, "show": _show}
