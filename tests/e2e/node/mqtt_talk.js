/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqtt.js against headraced: mqtt_talk.js HOST. Prints one JSON object of what it saw; the Python
 * test that runs it judges.
 */
'use strict';
const mqtt = require('mqtt');

const url = `mqtt://${process.argv[2]}:1883`;
const seen = { versions: {} };

function connect(options) {
  return mqtt.connectAsync(url, { reconnectPeriod: 0, connectTimeout: 20000, ...options });
}

function messages(client, count) {
  return new Promise((resolve) => {
    const got = [];
    client.on('message', (topic, payload, packet) => {
      got.push({ topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain,
                 properties: packet.properties });
      if (got.length === count)
        resolve(got);
    });
  });
}

/* The acknowledgement's own packet. */
function publish(client, topic, payload, options) {
  return new Promise((resolve, reject) => {
    client.publish(topic, payload, options, (error, packet) => {
      if (error)
        resolve({ error: error.message, code: error.code });
      else
        resolve(packet || {});
    });
  });
}

async function exchange(version) {
  const client = await connect({ protocolVersion: version, clientId: `js-${version}` });
  await client.subscribeAsync({ 'js/a/+': { qos: 2 }, 'js/b/#': { qos: 1 } });
  const all = messages(client, 3);
  await publish(client, 'js/a/0', 'zero', { qos: 0 });
  await publish(client, 'js/b/1', 'one', { qos: 1 });
  await publish(client, 'js/a/2', 'two', { qos: 2 });
  const got = await all;
  await client.unsubscribeAsync('js/b/#');
  await client.endAsync();
  return got.map((m) => `${m.topic} ${m.payload} ${m.qos}`).sort();
}

async function properties() {
  const client = await connect({ protocolVersion: 5, clientId: 'js-props' });
  await client.subscribeAsync('js/p', { qos: 1, properties: { subscriptionIdentifier: 9 } });
  const all = messages(client, 1);
  await publish(client, 'js/p', 'x', { qos: 1, properties: {
    userProperties: { k: ['1', '2'] }, contentType: 'text/plain', responseTopic: 'js/r',
    correlationData: Buffer.from('c'), messageExpiryInterval: 100 } });
  const got = (await all)[0].properties;
  await client.endAsync();
  return { user: got.userProperties.k, type: got.contentType, response: got.responseTopic,
           correlation: got.correlationData.toString(), id: got.subscriptionIdentifier,
           expires: got.messageExpiryInterval };
}

/* The server tells an alias with the first message of a topic and leaves the topic out of the next
 * ones: its length on the wire tells. */
async function aliases() {
  const client = await connect({ protocolVersion: 5, clientId: 'js-alias',
                                 properties: { topicAliasMaximum: 4 } });
  const lengths = [];
  client.on('packetreceive', (packet) => {
    if (packet.cmd === 'publish')
      lengths.push(packet.length);
  });
  await client.subscribeAsync('js/a/long/topic/#', { qos: 1 });
  const all = messages(client, 3);
  for (let i = 0; i < 3; i++)
    await publish(client, 'js/a/long/topic/of/many/levels', `${i}`, { qos: 1 });
  const got = await all;
  await client.endAsync();
  return { lengths, topics: got.map((m) => m.topic), aliases: got.map((m) => m.properties.topicAlias) };
}

/* An array of which one element is bad: the reason code and how many were refused. */
async function refused() {
  const client = await connect({ protocolVersion: 5, clientId: 'SM-00003' });
  const acks = [];
  client.on('packetreceive', (packet) => {
    if (packet.cmd === 'puback' || packet.cmd === 'pubrec')
      acks.push({ cmd: packet.cmd, reason: packet.reasonCode,
                  text: packet.properties && packet.properties.reasonString });
  });
  const good = JSON.stringify({ meterId: 'SM-00003', ts: new Date().toISOString(), kWh: 5, kW: 1,
                                pf: 1, v: 230, status: 'OK' });
  await publish(client, 'meters/SM-00003/readings', `[${good},{"meterId":"SM-00003"}]`, { qos: 1 });
  await publish(client, 'meters/SM-00003/readings', `[{"meterId":"SM-00003"}]`, { qos: 2 });
  await client.endAsync();
  return acks;
}

async function main() {
  for (const version of [4, 5])
    seen.versions[version] = await exchange(version);
  seen.properties = await properties();
  seen.aliases = await aliases();
  seen.refused = await refused();
  console.log(JSON.stringify(seen));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
