"""`webhook ...`: who is told what happens in searches, through the service's REST API."""

import json
import sys
from typing import Annotated, Any

import typer

from spinesearch.client import Client
from spinesearch.logs import printable

app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
WebhookId = Annotated[str, typer.Argument(metavar="ID")]


@app.command()
def create(
    url: Annotated[str, typer.Argument(help="https, to a host of $SPINESEARCH_WEBHOOK_HOSTS of the service")],
    event: Annotated[list[str], typer.Option(help="search.state, search.best or search.failing; may be repeated")],
    search: Annotated[str | None, typer.Option(metavar="ID", help="told of this search only; left out: of all")] = None,
    as_json: AsJson = False,
) -> None:
    """Have messages sent to a URL; their key, and nothing else, is printed on standard output, this once."""
    with Client() as client:
        webhook = client.create_webhook(url, event, search)
    if as_json:
        print(json.dumps(webhook, indent=2))
        return
    print(f"webhook {webhook['id']} is told {_told(webhook)}; nobody can show its key again:", file=sys.stderr)
    print(webhook["secret"])


@app.command("list")
def list_webhooks(as_json: AsJson = False) -> None:
    """List webhooks, the oldest first, with what was delivered."""
    with Client() as client:
        webhooks = client.list_webhooks()
    if as_json:
        print(json.dumps(webhooks, indent=2))
        return
    for webhook in webhooks:
        counts = f"{webhook['num_delivered']} delivered, {webhook['num_given_up']} given up"
        print(f"{webhook['id']}  {webhook['state']:<8}  {counts}  {_told(webhook)}  {webhook['url']}")


@app.command()
def show(webhook: WebhookId, as_json: AsJson = False) -> None:
    """Show what became of a webhook's last message, and what is to be tried again."""
    with Client() as client:
        found = client.get_webhook(webhook)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print(f"{found['id']}  {found['state']}  {_told(found)}  {found['url']}")
    print(f"{found['num_delivered']} delivered, {found['num_given_up']} given up")
    if found["test_asked_at"]:
        print(f"a test that was asked for at {found['test_asked_at']} was not sent yet")
    if found["last_delivery"]:
        print(_delivery(found["last_delivery"]))
    for retry in found["retries"]:
        print(f"search {retry['search']}: failed {retry['attempts']} times, next at {retry['next_attempt_at']}")


@app.command("test")
def ask_test(webhook: WebhookId) -> None:
    """Have one message of the type `webhook.test` sent soon; `show` says what became of it."""
    with Client() as client:
        asked = client.test_webhook(webhook)
    print(f"webhook {asked['id']} is sent a test soon")


@app.command()
def delete(webhook: WebhookId) -> None:
    """Send nothing more to a webhook."""
    with Client() as client:
        client.delete_webhook(webhook)


def _told(webhook: dict[str, Any]) -> str:
    searches = f"search {webhook['search']}" if webhook["search"] else "all searches"
    return f"{', '.join(webhook['events'])} of {searches}"


def _delivery(last: dict[str, Any]) -> str:
    answer = f"answered with {last['status']}" if last["status"] else "not answered"
    error = f": {printable(last['error'])}" if last["error"] else ""
    what = f"{last['type']} ({last['message_id']}), attempt {last['attempt']} at {last['at']}"
    return f"last: {what}: {last['outcome']}, {answer}{error}"
