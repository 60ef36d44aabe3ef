// dependency-cruiser reads TypeScript through the JavaScript API of `typescript`, which version 7 no longer has: it then
// reads no module at all and finds nothing wrong. Loaded by `node --import`, this hands it version 6 (`typescript-6`).
import { registerHooks } from 'node:module'

registerHooks({
  resolve(specifier, context, next) {
    const asked = specifier === 'typescript' || specifier.startsWith('typescript/')
    return next(asked ? specifier.replace('typescript', 'typescript-6') : specifier, context)
  },
})
