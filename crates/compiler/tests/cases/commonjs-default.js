"use strict";
exports.default = async (ctx) => ({ ok: true });
