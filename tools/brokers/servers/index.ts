import type { Server } from '../server.ts'
import { kafka } from './kafka.ts'
import { kafkaTls } from './kafka-tls.ts'
import { postgres } from './postgres.ts'
import { rabbitmq, rabbitmqFull, rabbitmqImpatient, rabbitmqTls } from './rabbitmq.ts'
import { redis, redisTls } from './redis.ts'
import { redisCluster } from './redis-cluster.ts'
import { redisSentinel } from './redis-sentinel.ts'

/** Every server that `npm run brokers` knows. */
export const servers: readonly Server[] = [
  redis('redis', 16_379, 'always'),
  redis('redis-everysec', 16_389, 'everysec'),
  redisTls('redis-tls', 16_399),
  redisCluster('redis-cluster', 16_409),
  redisSentinel('redis-sentinel', 16_429),
  kafka('kafka', 19_092, 1),
  kafka('kafka-cluster', 19_192, 3),
  kafkaTls('kafka-tls', 19_292),
  postgres,
  rabbitmq('rabbitmq', 25_672, 1),
  rabbitmq('rabbitmq-cluster', 25_772, 3),
  rabbitmqTls('rabbitmq-tls', 25_872),
  rabbitmqImpatient('rabbitmq-impatient', 25_892),
  rabbitmqFull('rabbitmq-full', 25_902),
]
