"""exchange.py PORT DIRECTORY USER: what one writes today with exchangelib: lists the inbox by SyncFolderItems and reads it by GetItem, 50 messages at
once, two such requests under way; a file a message in DIRECTORY, written and renamed, not made durable. REQUESTS_CA_BUNDLE is the authority.
"""
import os
import sys

from exchangelib import BASIC, DELEGATE, Account, Build, Configuration, Credentials, Version

port, directory, user = sys.argv[1:]
config = Configuration(
    service_endpoint="https://localhost:%s/EWS/Exchange.asmx" % port,
    credentials=Credentials(user, os.environ["BENCH_PASSWORD"]),
    auth_type=BASIC,
    version=Version(build=Build(15, 20)),
    max_connections=2,
)
account = Account(primary_smtp_address=user, config=config, autodiscover=False, access_type=DELEGATE)
ids = [item for _, item in account.inbox.sync_items(only_fields=[])]
count = 0
for item in account.fetch(ids=ids, only_fields=["mime_content"], chunk_size=50):
    name = "%s/%d.eml" % (directory, count)
    with open(name + ".tmp", "wb") as file:
        file.write(item.mime_content)
    os.rename(name + ".tmp", name)
    count += 1
print(count, "messages")
