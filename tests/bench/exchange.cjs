// exchange.cjs drain|idle PORT CA DIRECTORY USERS: what one writes today with npm's ews-javascript-api, from tests/servers/ews (`npm ci` there).
// drain  lists the inbox of the first user by SyncFolderItems and reads it by GetItem, BENCH_BATCH (50) messages at once, two such requests under way; a
//        file a message in DIRECTORY, written and renamed, not made durable
// idle   waits for each mailbox of the file USERS (one a line) with a streaming subscription of its own; says "waiting" then
const { createRequire } = require('node:module');
const { readFileSync } = require('node:fs');
const { rename, writeFile } = require('node:fs/promises');
const https = require('node:https');
const path = require('node:path');

const clients = path.resolve(__dirname, '../servers/ews');
const {
    BasePropertySet, EventType, ExchangeService, ExchangeVersion, FolderId, ItemSchema, PropertySet, StreamingSubscriptionConnection, SyncFolderItemsScope,
    Uri, WebCredentials, WellKnownFolderName,
} = createRequire(`${clients}/`)('ews-javascript-api');
const { XhrApi } = createRequire(`${clients}/`)('@ewsjs/xhr');

const [task, port, authority, directory, list] = process.argv.slice(2);
const users = readFileSync(list, 'utf8').trim().split('\n');
const agent = new https.Agent({ ca: readFileSync(authority), keepAlive: true });

function serviceOf(user) {
    const service = new ExchangeService(ExchangeVersion.Exchange2013_SP1);
    service.Url = new Uri(`https://localhost:${port}/EWS/Exchange.asmx`);
    service.Credentials = new WebCredentials(user, process.env.BENCH_PASSWORD);
    service.XHRApi = new XhrApi({ httpsAgent: agent });
    return service;
}

async function drain(service) {
    const ids = [];
    for (let state = null, more = true; more;) {
        const page = await service.SyncFolderItems(new FolderId(WellKnownFolderName.Inbox), new PropertySet(BasePropertySet.IdOnly), null, 512, SyncFolderItemsScope.NormalItems, state);
        for (const change of page.changes) ids.push(change.ItemId);
        state = page.SyncState;
        more = page.MoreChangesAvailable;
    }
    const batch = Number(process.env.BENCH_BATCH ?? 50);
    let from = 0;
    let count = 0;
    const lane = async () => {
        while (from < ids.length) {
            const asked = ids.slice(from, from += batch);
            const answer = await service.BindToItems(asked, new PropertySet(BasePropertySet.IdOnly, [ItemSchema.MimeContent]));
            await Promise.all(answer.Responses.map(async each => {
                const name = `${directory}/${count++}.eml`;
                await writeFile(`${name}.tmp`, Buffer.from(each.Item.MimeContent.Content, 'base64'));
                await rename(`${name}.tmp`, name);
            }));
        }
    };
    await Promise.all([lane(), lane()]);
    console.log(`${count} messages`);
}

async function wait(user) {
    const service = serviceOf(user);
    const subscription = await service.SubscribeToStreamingNotifications([new FolderId(WellKnownFolderName.Inbox)], EventType.NewMail, EventType.Created);
    const connection = new StreamingSubscriptionConnection(service, 29);
    connection.AddSubscription(subscription);
    connection.OnNotificationEvent.push(() => {});
    connection.Open();
    return connection;
}

(async () => {
    if (task === 'drain') return drain(serviceOf(users[0]));
    const connections = [];
    for (const user of users) connections.push(await wait(user));
    setTimeout(() => { globalThis.gc?.(); console.log('waiting'); }, 3000);
    setInterval(() => connections.length, 60000);
})().catch(error => { console.error(error); process.exit(1); });
