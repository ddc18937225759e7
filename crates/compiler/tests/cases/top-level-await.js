const value = await Promise.resolve(1);
globalThis.value = value;
