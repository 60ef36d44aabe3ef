import { Transport } from '@nestjs/microservices'
import { Admin } from '@platformatic/kafka'
import { consume } from '../nest/microservice.ts'

const [url = '', countText = '0', topic = ''] = process.argv.slice(2)
const brokers = new URL(url).host.split(',')
const admin = new Admin({ clientId: 'bench', bootstrapBrokers: brokers })
await admin.createTopics({ topics: [topic], partitions: 8, replicas: 1 })
await admin.close()
await consume(
  Number(countText),
  topic,
  {
    transport: Transport.KAFKA,
    options: {
      client: { clientId: 'bench', brokers, logLevel: 1 },
      consumer: { groupId: `${topic}-group` },
      subscribe: { fromBeginning: true },
      run: { autoCommitInterval: 100 },
    },
  },
  // Committed by itself, behind the handler.
  () => {},
)
