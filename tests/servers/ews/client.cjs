// Works in a mailbox with ews-javascript-api, Microsoft's Managed API in JavaScript, which knows Exchange and not us: node client.cjs PORT USER PASSWORD
//
// Prints one line for each thing it found or did; whoever started it knows what there should be.
const { createHash } = require('node:crypto');
const {
    BasePropertySet, ConfigurationApi, ConflictResolutionMode, DeleteMode, EmailMessageSchema, EventType, ExchangeService, ExchangeVersion, Folder, FolderId, FolderView, ItemSchema, ItemView, PropertySet,
    StreamingSubscriptionConnection, SyncFolderItemsScope, Uri, WebCredentials, WellKnownFolderName,
} = require('ews-javascript-api');

const [port, user, password] = process.argv.slice(2);

async function main() {
    const service = new ExchangeService(ExchangeVersion.Exchange2016);
    service.Url = new Uri(`http://127.0.0.1:${port}/EWS/Exchange.asmx`);
    service.Credentials = new WebCredentials(user, password);
    const inbox = await Folder.Bind(service, WellKnownFolderName.Inbox);
    console.log('inbox', inbox.DisplayName, inbox.TotalCount);
    const folders = await service.FindFolders(WellKnownFolderName.MsgFolderRoot, new FolderView(100));
    console.log('folders', folders.TotalCount, folders.Folders.map(each => each.DisplayName).sort().join(', '));
    const found = await service.FindItems(WellKnownFolderName.Inbox, new ItemView(10));
    console.log('found', found.TotalCount);

    const sync = async state => service.SyncFolderItems(inbox.Id, new PropertySet(BasePropertySet.IdOnly), null, 512, SyncFolderItemsScope.NormalItems, state);
    const first = await sync(null);
    console.log('synced', first.Count, first.MoreChangesAvailable, Boolean(first.SyncState));
    const wanted = new PropertySet(BasePropertySet.IdOnly, [ItemSchema.MimeContent, EmailMessageSchema.IsRead, ItemSchema.DateTimeReceived]);
    const got = await service.BindToItems(first.changes.map(each => each.ItemId), wanted);
    const items = got.Responses.map(each => ({ item: each.Item, bytes: Buffer.from(each.Item.MimeContent.Content, 'base64') }));
    items.sort((a, b) => Buffer.compare(a.bytes, b.bytes));
    for (const { item, bytes } of items)
        console.log('item', createHash('sha256').update(bytes).digest('hex'), item.IsRead, item.DateTimeReceived.ToISOString());

    const subscription = await service.SubscribeToStreamingNotifications([inbox.Id], EventType.NewMail, EventType.Created);
    const connection = new StreamingSubscriptionConnection(service, 1);
    connection.AddSubscription(subscription);
    const told = new Promise((resolve, reject) => {
        connection.OnNotificationEvent.push((_, notification) => resolve(notification.Events));
        connection.OnSubscriptionError.push((_, error) => reject(error.Exception));
    });
    connection.Open();
    console.log('told', EventType[(await told)[0].EventType]);
    connection.Close();
    await subscription.Unsubscribe();
    const then = await sync(first.SyncState);
    console.log('then', then.Count);

    const [a, b, c] = items.map(each => each.item);
    a.IsRead = true;
    await a.Update(ConflictResolutionMode.AutoResolve, true);
    const moved = await b.Move(WellKnownFolderName.JunkEmail);
    await c.Delete(DeleteMode.MoveToDeletedItems, true);
    console.log('worked');
}

main().then(() => process.exit(0), error => {
    console.log('failed', error.message, error.stack);
    process.exit(1);
});
