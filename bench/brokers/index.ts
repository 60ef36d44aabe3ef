import type { Benchmark } from '../benchmark.ts'
import { brokerBenchmark } from './brokers.ts'
import { kafka } from './kafka.ts'
import { keyedConcurrency } from './keyed-concurrency.ts'
import { rabbitmq } from './rabbitmq.ts'
import { redis } from './redis.ts'

/** The rows of each broker, by the name that `npm run bench` takes; `brokers` stands for all of them. */
export const brokerBenchmarks: Readonly<Record<string, Benchmark>> = {
  redis: brokerBenchmark(redis),
  rabbitmq: brokerBenchmark(rabbitmq),
  kafka: brokerBenchmark(kafka, keyedConcurrency),
}
