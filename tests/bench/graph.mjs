// graph.mjs PORT DIRECTORY USER: what one writes today with Node's fetch: lists the inbox by delta, 500 a page, and reads each message's $value, four
// requests under way, as many as Graph takes; a file a message in DIRECTORY, written and renamed, not made durable. NODE_EXTRA_CA_CERTS is the authority.
import { randomUUID } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';

const [port, directory, user] = process.argv.slice(2);
const mailbox = `https://localhost:${port}/v1.0/users/${encodeURIComponent(user)}`;
const ask = async (url, more = '') => {
    const headers = { Authorization: `Bearer ${process.env.BENCH_PASSWORD}`, Prefer: `IdType="ImmutableId"${more}`, 'client-request-id': randomUUID() };
    const answer = await fetch(url, { headers });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    return answer;
};

const ids = [];
for (let url = `${mailbox}/mailFolders/inbox/messages/delta?$select=id,receivedDateTime,isRead`; url;) {
    const page = await (await ask(url, ', odata.maxpagesize=500')).json();
    for (const message of page.value) ids.push(message.id);
    url = page['@odata.nextLink'];
}
let next = 0;
const lane = async () => {
    while (next < ids.length) {
        const number = next++;
        const content = await (await ask(`${mailbox}/messages/${encodeURIComponent(ids[number])}/$value`)).arrayBuffer();
        const name = `${directory}/${number}.eml`;
        await writeFile(`${name}.tmp`, Buffer.from(content));
        await rename(`${name}.tmp`, name);
    }
};
await Promise.all([lane(), lane(), lane(), lane()]);
console.log(`${ids.length} messages`);
