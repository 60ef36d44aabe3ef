/** `sluice/testing`: the test kit of `@sluice/core/testing`, as an explicit list. */
export {
  createTestKit,
  type DrainOptions,
  type HandledMessage,
  ManualClock,
  type PublishedMessage,
  type Random,
  seededRandom,
  type TestKit,
  type TestKitOptions,
} from '@sluice/core/testing'
