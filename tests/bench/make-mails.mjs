// make-mails.mjs small|mixed DIRECTORY [COUNT]: fills a maildir's cur/ with mails, always the same ones.
// small: 20,000 (or COUNT) of about 4 kB. mixed: 3,000 of 1 kB to 2 MB, about 300 MB in all.
import { mkdirSync, writeFileSync } from 'node:fs';

const [kind, directory, wanted] = process.argv.slice(2);
let state = 42;
const dice = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
const line = Array.from({ length: 76 }, (_, i) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'[(i * 7) % 64]).join('') + '\r\n';
const sizes = {
    small: () => 3600 + Math.floor(dice() * 900),
    mixed: () => { const d = dice(); return d < 0.7 ? 1000 + dice() * 20000 : d < 0.95 ? 50000 + dice() * 300000 : 400000 + dice() * 1600000; },
};
const count = Number(wanted) || { small: 20000, mixed: 3000 }[kind];
mkdirSync(`${directory}/cur`, { recursive: true });
mkdirSync(`${directory}/new`, { recursive: true });
mkdirSync(`${directory}/tmp`, { recursive: true });
let total = 0;
for (let i = 0; i < count; i++) {
    const head = `From: sender${i % 97}@example.test\r\nTo: bench@example.test\r\nSubject: Order ${i}\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <${i}.bench@example.test>\r\n\r\n`;
    const lines = Math.ceil(sizes[kind]() / line.length);
    const mail = head + line.repeat(lines);
    total += mail.length;
    writeFileSync(`${directory}/cur/${1700000000 + i}.M${i}P1.bench,S=${mail.length},W=${mail.length}:2,`, mail);
}
console.log(`${count} mails, ${(total / 1e6).toFixed(1)} MB`);
