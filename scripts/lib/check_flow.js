// Runs the functions of the Node-RED flow as Node-RED would. Started by scripts/check-integrations.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');

const flow = JSON.parse(fs.readFileSync('etc/integrations/node-red/flow.json', 'utf8'));

// A function node with a memory of its own.
function start(name) {
    const node = flow.find((node) => node.type === 'function' && node.name === name);
    assert(node, `there is no function "${name}"`);
    const memory = new Map();
    // What is stored may be a copy on a disk.
    const context = {
        get: (key) => memory.has(key) ? JSON.parse(memory.get(key)) : undefined,
        set: (key, value) => memory.set(key, JSON.stringify(value)),
    };
    const body = new Function('msg', 'context', node.func);
    return (topic, payload) => body({ topic, payload: structuredClone(payload) }, context);
}

function sequence() {
    const run = start('each reading once');
    return (topic, payload) => {
        const [reading, notices] = run(topic, payload) || [null, null];
        return { seq: reading ? reading.payload.seq : null, isExchanged: reading ? reading.isExchanged : false,
            told: (notices || []).map((notice) => notice.kind), texts: (notices || []).map((notice) => notice.payload) };
    };
}

const reading = (seq, stream = 'a', epoch = 1) => ({ seq, stream, epoch });
const gap = (from, to, stream = 'a') => ({ stream, from_seq: from, to_seq: to, from_time: '1', to_time: '2',
    count: from === null ? 3 : to - from + 1, reason: 'journal-full' });

const tests = {
    'readings pass once each, per meter and node'() {
        const feed = sequence();
        for (const meter of ['n/a', 'n/b', 'o/a', 'n/constructor', 'n/__proto__']) {
            assert.deepStrictEqual([1, 2, 2, 1, 3].map((seq) => feed(`obisd/${meter}/reading`, reading(seq)).seq),
                [1, 2, null, null, 3], meter);
        }
    },
    'the first reading ever heard may have any number'() {
        const feed = sequence();
        assert.deepStrictEqual(feed('obisd/n/a/reading', reading(4711)).told, []);
        assert.deepStrictEqual(feed('obisd/n/a/reading', reading(4710)).seq, null);
    },
    'a hole is told once, with its numbers'() {
        const feed = sequence();
        feed('obisd/n/a/reading', reading(1));
        const after = feed('obisd/n/a/reading', reading(5));
        assert.deepStrictEqual([after.seq, after.told], [5, ['hole']]);
        assert(after.texts[0].includes('2 to 4'));
        assert.deepStrictEqual(feed('obisd/n/a/reading', reading(6)).told, []);
    },
    'a gap explains what is missing, also where it comes twice or overlaps'() {
        const feed = sequence();
        feed('obisd/n/a/reading', reading(1));
        assert.deepStrictEqual(feed('obisd/n/a/gap', gap(2, 4)).told, ['gap']);
        assert.deepStrictEqual(feed('obisd/n/a/gap', gap(2, 4)).told, []);
        assert.deepStrictEqual(feed('obisd/n/a/gap', gap(4, 6)).told, ['gap']);
        assert.deepStrictEqual(feed('obisd/n/a/reading', reading(7)), { seq: 7, isExchanged: false, told: [], texts: [] });
    },
    'a gap that explains only a part leaves a hole'() {
        const feed = sequence();
        feed('obisd/n/a/reading', reading(1));
        assert.deepStrictEqual(feed('obisd/n/a/gap', gap(3, 4)).told, ['hole', 'gap']);
        assert.deepStrictEqual(feed('obisd/n/a/reading', reading(6)).told, ['hole']);
    },
    'readings without numbers are told once and change nothing'() {
        const feed = sequence();
        assert.deepStrictEqual(feed('obisd/n/b/gap', gap(null, null)).told, ['gap']);
        assert.deepStrictEqual(feed('obisd/n/b/reading', reading(9)), { seq: 9, isExchanged: false, told: [], texts: [] });
        assert.deepStrictEqual(feed('obisd/n/b/gap', gap(null, null)).told, []);
        assert.deepStrictEqual(feed('obisd/n/b/reading', reading(10)).told, []);
    },
    'a new stream begins at 1, and what is left of the old one is a repetition'() {
        const feed = sequence();
        feed('obisd/n/a/reading', reading(100));
        const first = feed('obisd/n/a/reading', reading(1, 'b'));
        assert.deepStrictEqual([first.seq, first.told], [1, ['stream']]);
        assert.strictEqual(feed('obisd/n/a/reading', reading(101, 'a')).seq, null);
        assert.deepStrictEqual(feed('obisd/n/a/reading', reading(2, 'b')).told, []);
        assert.deepStrictEqual(feed('obisd/n/a/reading', reading(3, 'c')).told, ['stream', 'hole']);
    },
    'an exchanged meter is told with its first reading'() {
        const feed = sequence();
        feed('obisd/n/a/reading', reading(1));
        const exchanged = feed('obisd/n/a/reading', reading(2, 'a', 2));
        assert.deepStrictEqual([exchanged.isExchanged, exchanged.told], [true, ['epoch']]);
        assert.strictEqual(feed('obisd/n/a/reading', reading(3, 'a', 2)).isExchanged, false);
    },
    'an anomaly is told when it opens and when it is over, once each'() {
        const run = start('as a notification');
        const change = (event_type, revision) => run('obisd/n/a/anomaly',
            { id: 'x', revision, event_type, node: 'n', meter: 'a', title: 'T', description: 'D', severity: 'high' });
        const opened = change('opened', 1);
        assert.deepStrictEqual(opened, { topic: 'n/a: T (new)', payload: 'D', severity: 'high' });
        assert.strictEqual(change('opened', 1), null);
        assert.strictEqual(change('updated', 2), null);
        assert.strictEqual(change('resolved', 3).topic, 'n/a: T (over)');
    },
    'a command is one that is taken'() {
        const { topic, payload } = start('read')('', {});
        assert.match(topic, /^obisd\/[A-Za-z0-9_-]+\/[A-Za-z0-9_-]+\/command$/);
        const schema = JSON.parse(fs.readFileSync('docs/schemas/command.json', 'utf8')).properties;
        assert(Object.keys(payload).every((key) => key in schema) && schema.verb.enum.includes(payload.verb));
        assert(payload.id.length <= schema.id.maxLength && new RegExp(schema.expires_at.pattern).test(payload.expires_at));
        assert(new Date(payload.expires_at) > new Date());
    },
};

// Real messages: each reading passes once and nothing is missing; then each is a repetition.
function real(path) {
    const messages = fs.readFileSync(path, 'utf8').split('\n').map((line) => line.split(' '))
        .map(([, topic, ...payload]) => ({ topic: topic || '', payload: payload.join(' ') }));
    const numbered = messages.filter(({ topic }) => /\/(reading|gap)$/.test(topic))
        .map(({ topic, payload }) => ({ topic, payload: JSON.parse(payload) }));
    const feed = sequence();
    const passed = new Set();
    for (const { topic, payload } of numbered) {
        const { seq, told } = feed(topic, payload);
        if (seq !== null) {
            assert(!passed.has(`${topic} ${seq}`), 'a reading passed twice');
            passed.add(`${topic} ${seq}`);
        }
        assert(!told.includes('hole') && !told.includes('stream'), `${topic} ${JSON.stringify(payload)}: ${told}`);
    }
    const distinct = new Set(numbered.filter(({ topic }) => topic.endsWith('/reading'))
        .map(({ topic, payload }) => `${topic} ${payload.seq}`));
    assert.deepStrictEqual(passed, distinct);
    assert(passed.size > 0, 'there is no reading');
    for (const { topic, payload } of numbered) assert.deepStrictEqual(feed(topic, payload).told, []);
    const notify = start('as a notification');
    const told = messages.filter(({ topic }) => topic.endsWith('/anomaly')).map(({ topic, payload }) =>
        notify(topic, JSON.parse(payload))).filter((message) => message !== null);
    assert(told.every(({ topic, payload }) => !/undefined|null/.test(topic) && typeof payload === 'string'));
    console.log(`node-red: ${passed.size} readings once each, ${told.length} notifications`);
}

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
    try {
        test();
    } catch (error) {
        failed += 1;
        console.error(`node-red: ${name}: ${error.message}`);
    }
}
const count = Object.keys(tests).length;
console.log(`node-red functions: ${count - failed} of ${count}`);
if (process.argv[2]) real(process.argv[2]);
process.exit(failed === 0 ? 0 : 1);
