/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The npm package `coap` against headraced: coap_talk.js HOST METER. Prints one JSON object of what
 * it saw; the Python test that runs it judges.
 */
'use strict';
const coap = require('coap');

const [host, meter] = process.argv.slice(2);
const seen = {};

function option(response, name) {
  const found = response.options.find((o) => o.name === name);
  return found ? found.value : undefined;
}

/* One request and its whole answer. */
function talk(pathname, more = {}) {
  return new Promise((resolve, reject) => {
    const { payload, set = {}, ...options } = more;
    const request = coap.request({ host, port: 5683, pathname, ...options });
    for (const [name, value] of Object.entries(set))
      request.setOption(name, value);
    request.on('error', reject);
    request.on('response', (response) => resolve({
      code: response.code, text: response.payload.toString(),
      format: option(response, 'Content-Format'), etag: option(response, 'ETag'),
      maxAge: option(response, 'Max-Age'),
      location: response.options.filter((o) => o.name === 'Location-Path')
        .map((o) => o.value.toString()),
    }));
    request.end(payload);
  });
}

/* The states up to the one that has `last` in it; `change` is called after the first. */
function observe(pathname, last, change) {
  return new Promise((resolve, reject) => {
    const states = [];
    const request = coap.request({ host, port: 5683, pathname, observe: true });
    request.on('error', reject);
    request.on('response', (response) => {
      response.on('data', (data) => {
        states.push(data.toString());
        if (data.toString().includes(last)) {
          response.close();
          resolve(states);
        } else if (states.length === 1) {
          change().catch(reject);
        }
      });
    });
    request.end();
  });
}

function reading(kwh) {
  return JSON.stringify({ meterId: meter, ts: new Date().toISOString(), kWh: kwh, kW: 3.21,
                          pf: 0.97, v: 239.4, status: 'OK' });
}

async function main() {
  seen.core = await talk('/.well-known/core');
  seen.filtered = await talk('/.well-known/core', { query: 'rt=core.rd' });
  seen.separate = await talk('/separate');
  const test = await talk('/validate');
  seen.valid = await talk('/validate', { set: { ETag: test.etag } });
  seen.accept = await talk('/multi-format', { set: { Accept: 'text/plain' } });
  seen.refused = await talk('/multi-format', { set: { Accept: 'application/json' } });
  const large = 'headrace '.repeat(300);
  seen.put = await talk('/large-update', {
    method: 'PUT', payload: Buffer.from(large), set: { Block1: Buffer.of(4) } });
  seen.large = (await talk('/large-update')).text === large;
  seen.created = await talk('/rd', {
    method: 'POST', query: 'ep=JS-1&lt=600', payload: Buffer.from('</js>;rt="js"'),
    set: { 'Content-Format': 'application/link-format' } });
  seen.found = await talk('/rd-lookup/res', { query: 'rt=js' });
  const post = (kwh) => talk('/readings', {
    method: 'POST', payload: Buffer.from(reading(kwh)),
    set: { 'Content-Format': 'application/json' } });
  seen.posted = await post(60001.5);
  seen.states = await observe(`/readings/${meter}`, '60001.501', () => post(60001.501));
  seen.non = await talk('/test', { confirmable: false });
  console.log(JSON.stringify(seen));
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
