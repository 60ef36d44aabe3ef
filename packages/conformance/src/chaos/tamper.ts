import type { Consumer, ConsumerObserver, Subscription, Transport, TransportAdmin, TransportFactory } from '@sluice/core/transport'

/** Parts of a transport that are replaced; each gets the sound part and returns what is to differ. */
export interface Tampering {
  readonly transport?: (sound: Transport) => Partial<Transport>
  readonly admin?: (sound: TransportAdmin, transport: Transport) => Partial<TransportAdmin>
  readonly consumer?: (sound: Consumer, subscription: Subscription, transport: Transport) => Partial<Consumer>
  readonly observer?: (sound: ConsumerObserver, subscription: Subscription) => Partial<ConsumerObserver>
  readonly subscription?: (sound: Subscription) => Subscription
}

/** A transport with a defect, to prove that the suite sees it. Also of use to tests of your own code. */
export function tamper(inner: TransportFactory, tampering: Tampering): TransportFactory {
  return {
    schemes: inner.schemes,
    async open(url, context) {
      const sound = await inner.open(url, context)
      const consume = async (subscription: Subscription, observer: ConsumerObserver): Promise<Consumer> => {
        const asked = tampering.subscription?.(subscription) ?? subscription
        const consumer = await sound.consume(asked, replace(observer, tampering.observer?.(observer, asked)))
        return replace(consumer, tampering.consumer?.(consumer, asked, sound))
      }
      const admin = replace(sound.admin, tampering.admin?.(sound.admin, sound))
      return replace(sound, { consume, admin, ...tampering.transport?.(sound) })
    },
  }
}

function replace<T extends object>(sound: T, parts: Partial<T> | undefined): T {
  if (parts === undefined) return sound
  return new Proxy(sound, {
    get: (target, name) => {
      const value: unknown = name in parts ? Reflect.get(parts, name) : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(name in parts ? parts : target) : value
    },
  })
}
