// imapflow.mjs drain|idle|arrivals PORT CA DIRECTORY USERS: what one writes today with npm's imapflow.
// drain     fetches all of INBOX, a file a message in DIRECTORY, written and renamed, not made durable
// idle      waits with each mailbox of the file USERS (one a line) in IDLE; says "waiting" then
// arrivals  the same, and writes each message that arrives into DIRECTORY, durable (file and name) as far as fsync goes
import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { ImapFlow } from 'imapflow';

const [task, port, authority, directory, list] = process.argv.slice(2);
const ca = await readFile(authority);
const users = (await readFile(list, 'utf8')).trim().split('\n');
const pass = process.env.BENCH_PASSWORD;
const login = async user => {
    const client = new ImapFlow({ host: 'localhost', port: Number(port), secure: true, tls: { ca }, auth: { user, pass }, logger: false });
    await client.connect();
    return client;
};

async function drain(client) {
    await client.mailboxOpen('INBOX');
    let count = 0;
    for await (const message of client.fetch('1:*', { uid: true, source: true }, { uid: true })) {
        const name = `${directory}/${message.uid}.eml`;
        await writeFile(`${name}.tmp`, message.source);
        await rename(`${name}.tmp`, name);
        count++;
    }
    console.log(`${count} messages`);
    await client.logout();
}

async function keep(message) {
    const name = `${directory}/${message.uid}.eml`;
    const file = await open(`${name}.tmp`, 'wx');
    await file.writeFile(message.source);
    await file.sync();
    await file.close();
    await rename(`${name}.tmp`, name);
    const names = await open(directory);
    await names.sync();
    await names.close();
}

async function wait(user) {
    const client = await login(user);
    await client.mailboxOpen('INBOX');
    let next = client.mailbox.uidNext;
    let work = Promise.resolve();
    const fetch = async () => {
        for await (const message of client.fetch(`${next}:*`, { uid: true, source: true }, { uid: true })) {
            if (message.uid < next) continue;
            next = message.uid + 1;
            await keep(message);
        }
        client.idle();
    };
    if (task === 'arrivals') client.on('exists', () => (work = work.then(fetch)));
    client.idle();
}

if (task === 'drain') {
    await drain(await login(users[0]));
} else {
    for (const user of users) await wait(user);
    setTimeout(() => { globalThis.gc?.(); console.log('waiting'); }, 3000);
}
