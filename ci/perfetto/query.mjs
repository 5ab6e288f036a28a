// Asks Perfetto's trace processor about a trace: node query.mjs FOLDER TRACE SQL...
//
// FOLDER has `engine_bundle.js` and the processor's wasm files, as Perfetto's viewer has them: this loads the viewer's worker,
// in place of a browser, and talks to it as the viewer does (protos/perfetto/trace_processor/trace_processor.proto). Prints each
// query's rows, a line each, with tabs between the cells, and an empty line after them. A trace that it refuses, and a query with a
// mistake, end with status 1.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInThisContext } from "node:vm";

const [folder, trace, ...queries] = process.argv.slice(2);

// TraceProcessorRpc: fields and methods.
const SEQUENCE = 1, REQUEST = 2, FATAL_ERROR = 5, APPENDED_DATA = 101, QUERY = 103, APPEND_RESULT = 201, QUERY_RESULT = 203;
const APPEND = 1, FINALIZE = 2, QUERY_STREAMING = 3;
const PIECE_BYTES = 16 << 20;

// ---- protocol buffers ----

function varint(number) {
    const bytes = [];
    for (; number > 127; number = Math.floor(number / 128)) bytes.push((number % 128) | 128);
    return Uint8Array.from([...bytes, number]);
}

const joined = (...parts) => new Uint8Array(Buffer.concat(parts));
const number = (field, value) => joined(varint(field << 3), varint(value));
const bytes = (field, value) => joined(varint((field << 3) | 2), varint(value.length), value);
const text = (field, value) => bytes(field, new TextEncoder().encode(value));

function readVarint(from, at) {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
        if (at >= from.length) throw new Error("a message ends within a number");
        const byte = from[at++];
        value |= BigInt(byte & 127) << shift;
        if (byte < 128) return [Number(BigInt.asIntN(64, value)), at];
    }
}

// The fields of a message: [field, number or bytes].
function fields(from) {
    const all = [];
    for (let at = 0, key, value; at < from.length; all.push([key >> 3, value])) {
        [key, at] = readVarint(from, at);
        if ((key & 7) === 0) {
            [value, at] = readVarint(from, at);
            continue;
        }
        let length = { 1: 8, 5: 4 }[key & 7];
        if ((key & 7) === 2) [length, at] = readVarint(from, at);
        if (length === undefined || at + length > from.length) throw new Error("a message is damaged");
        value = from.subarray(at, (at += length));
    }
    return all;
}

function packed(from) {
    const all = [];
    for (let at = 0, value; at < from.length; all.push(value)) [value, at] = readVarint(from, at);
    return all;
}

// ---- results ----

// Cells of a CellsBatch, in order. Their kinds: null, integer, floating point, string, bytes (of which there is the number).
function cells(batch) {
    const of = (field) => batch.filter(([number]) => number === field).map(([, value]) => value);
    const integers = of(2).flatMap(packed);
    const floats = of(3).flatMap((part) => [...new Float64Array(part.slice().buffer)]);
    const blobs = of(4);
    const strings = of(5).flatMap((part) => new TextDecoder().decode(part).split("\0").slice(0, -1));
    const next = [, () => null, () => integers.shift(), () => floats.shift(), () => strings.shift(), () => blobs.shift().length];
    return of(1).flatMap(packed).map((kind) => next[kind]());
}

class Result {
    columns = 0;
    cells = [];
    ended = false;

    add(message) {
        for (const [field, value] of fields(message)) {
            if (field === 1) this.columns++;
            if (field === 2) throw new Error(new TextDecoder().decode(value));
            if (field !== 3) continue;
            const batch = fields(value);
            this.cells.push(...cells(batch));
            this.ended ||= batch.some(([number, value]) => number === 6 && value === 1);
        }
    }

    // The rows as lines.
    lines() {
        const width = this.columns, all = this.cells.map((cell) => String(cell).replace(/[\t\n]/g, " "));
        return all.map((cell, at) => cell + ((at + 1) % width === 0 ? "\n" : "\t")).join("");
    }
}

// ---- the worker ----

// A synchronous request for a file of the folder, which is how the worker gets its module.
class FileRequest {
    open(method, name) {
        this.name = name.split("/").pop();
    }

    send() {
        this.response = new Uint8Array(readFileSync(join(folder, this.name))).buffer;
    }
}

// Starts the worker's script with what it expects around it in a browser; gives the function that sends to it.
async function start(answered) {
    const script = join(folder, "engine_bundle.js");
    globalThis.self = globalThis;
    globalThis.WorkerGlobalScope = class {};
    globalThis.location = { href: script };
    globalThis.importScripts = () => {};
    globalThis.XMLHttpRequest = FileRequest;
    // By this it would know that it is in no browser.
    delete globalThis.process;
    runInThisContext(readFileSync(script, "utf8"), { filename: script });
    // The module is loaded by then; what follows that is done with promises.
    await new Promise((resolve) => setTimeout(resolve, 1));
    const port = { postMessage: answered };
    globalThis.onmessage({ data: port });
    return (message) => port.onmessage({ data: message });
}

let sequence = 0, take = null;

// What comes back is a stream of messages, each field 1 of it.
function answered(stream) {
    for (const [, message] of fields(stream)) {
        const all = fields(message);
        const fatal = all.find(([field]) => field === FATAL_ERROR);
        if (fatal) throw new Error(new TextDecoder().decode(fatal[1]));
        take?.(all);
    }
}

// Makes a request; its answers, which come before `send` returns.
function ask(send, method, more) {
    const all = [];
    take = (answer) => all.push(...answer);
    send(bytes(1, joined(number(SEQUENCE, sequence++), number(REQUEST, method), more)));
    return all;
}

function append(send, piece) {
    for (const [field, result] of ask(send, APPEND, bytes(APPENDED_DATA, piece))) {
        const error = field === APPEND_RESULT && fields(result).find(([field]) => field === 2);
        if (error) throw new Error(`the trace is refused: ${new TextDecoder().decode(error[1])}`);
    }
}

function query(send, sql) {
    const result = new Result();
    for (const [field, message] of ask(send, QUERY_STREAMING, bytes(QUERY, text(1, sql))))
        if (field === QUERY_RESULT) result.add(message);
    if (!result.ended) throw new Error("a query was not answered to its end");
    return result.lines();
}

const { stdout } = process;
const send = await start(answered);
const file = new Uint8Array(readFileSync(trace));
for (let at = 0; at < file.length; at += PIECE_BYTES) append(send, file.subarray(at, at + PIECE_BYTES));
ask(send, FINALIZE, new Uint8Array());
for (const sql of queries) stdout.write(query(send, sql) + "\n");
