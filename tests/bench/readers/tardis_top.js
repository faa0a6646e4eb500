// What the best levels of a book cost in tardis-dev for Node.js.
//
//   node tardis_top.js LEVELS EVERY_US FILE.jsonl
//
// A line of the file is a message as tardis-dev makes them. Prints an object: CPU seconds of the `top` levels at each moment in which
// they changed, from the file on; how much of them was reading JSON (`read`), and how many `samples` there were.
const { createReadStream } = require('fs')
const { createInterface } = require('readline')
const { computeBookSnapshots } = require('tardis-dev')

async function main(levels, everyUs, file) {
  const begun = process.cpuUsage()
  const messages = []
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const message = JSON.parse(line)
    message.timestamp = new Date(message.timestamp)
    message.localTimestamp = new Date(message.localTimestamp)
    messages.push(message)
  }
  const read = process.cpuUsage(begun)
  const book = computeBookSnapshots({ depth: levels, interval: everyUs / 1000 })()
  const start = process.cpuUsage()
  let samples = 0
  for (const message of messages) {
    for (const _ of book.compute(message)) samples++
  }
  const top = process.cpuUsage(start)
  const secs = (used) => (used.user + used.system) / 1e6
  console.log(JSON.stringify({ top: secs(read) + secs(top), read: secs(read), samples }))
}

main(Number(process.argv[2]), Number(process.argv[3]), process.argv[4])
