"""Reads a mailbox with exchangelib, which knows Exchange and not us: python3 ews_client.py PORT USER PASSWORD

Prints one line for each thing it found; whoever started it knows what there should be.
"""
import hashlib
import sys

from exchangelib import BASIC, DELEGATE, Account, Build, Configuration, Credentials, Message, Version
from exchangelib.folders import Inbox, SingleFolderQuerySet  # noqa: F401
from exchangelib.properties import DistinguishedFolderId, Mailbox

port, user, password = sys.argv[1:]
config = Configuration(
    service_endpoint="http://127.0.0.1:%s/EWS/Exchange.asmx" % port,
    credentials=Credentials(user, password),
    auth_type=BASIC,
    version=Version(build=Build(15, 20)),
)
account = Account(primary_smtp_address=user, config=config, autodiscover=False, access_type=DELEGATE)
inbox = account.inbox
print("inbox", inbox.name)

synced = list(inbox.sync_items(only_fields=[]))
print("synced", len(synced), {change for change, _ in synced} == {"create"}, bool(inbox.item_sync_state))

items = account.fetch(ids=[item for _, item in synced], only_fields=["mime_content", "is_read", "datetime_received"])
for item in sorted(items, key=lambda each: each.mime_content):
    print("item", hashlib.sha256(item.mime_content).hexdigest(), item.is_read, item.datetime_received.isoformat())
    assert isinstance(item, Message)

subscription = inbox.subscribe_to_streaming(event_types=["NewMailEvent", "CreatedEvent", "MovedEvent"])
print("subscribed", bool(subscription), flush=True)
for notification in inbox.get_streaming_events(subscription, connection_timeout=1, max_notifications_returned=1):
    print("told", notification.events[0].ELEMENT_NAME, flush=True)
inbox.unsubscribe(subscription)

changes = list(inbox.sync_items(sync_state=inbox.item_sync_state, only_fields=[]))
print("then", len(changes), changes[0][0])
