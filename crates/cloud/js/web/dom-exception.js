// DOMException: the errors of the Web APIs, told apart by name.

const { Error, ReflectDefineProperty } = require("../primordials.js");
const { tag } = require("./class.js");

/** The codes of https://webidl.spec.whatwg.org/#idl-DOMException-error-names; later names have none. */
const CODES = {
  __proto__: null,
  IndexSizeError: 1,
  HierarchyRequestError: 3,
  WrongDocumentError: 4,
  InvalidCharacterError: 5,
  NoModificationAllowedError: 7,
  NotFoundError: 8,
  NotSupportedError: 9,
  InUseAttributeError: 10,
  InvalidStateError: 11,
  SyntaxError: 12,
  InvalidModificationError: 13,
  NamespaceError: 14,
  InvalidAccessError: 15,
  TypeMismatchError: 17,
  SecurityError: 18,
  NetworkError: 19,
  AbortError: 20,
  URLMismatchError: 21,
  QuotaExceededError: 22,
  TimeoutError: 23,
  InvalidNodeTypeError: 24,
  DataCloneError: 25,
};

class DOMException extends Error {
  #name;

  constructor(message = "", options = "Error") {
    super(`${message}`);
    const named = typeof options === "object" && options !== null;
    const name = named ? options.name : options;
    this.#name = name === undefined ? "Error" : `${name}`;
    if (named && "cause" in options) {
      ReflectDefineProperty(this, "cause", { value: options.cause, writable: true, enumerable: false, configurable: true });
    }
  }

  get name() {
    return this.#name;
  }

  get code() {
    return CODES[this.#name] ?? 0;
  }
}
tag(DOMException, "DOMException");

/** The constants are spelled as the standard spells them: `ABORT_ERR`, `DATA_CLONE_ERR`. */
const CONSTANTS = {
  __proto__: null,
  INDEX_SIZE_ERR: 1,
  DOMSTRING_SIZE_ERR: 2,
  HIERARCHY_REQUEST_ERR: 3,
  WRONG_DOCUMENT_ERR: 4,
  INVALID_CHARACTER_ERR: 5,
  NO_DATA_ALLOWED_ERR: 6,
  NO_MODIFICATION_ALLOWED_ERR: 7,
  NOT_FOUND_ERR: 8,
  NOT_SUPPORTED_ERR: 9,
  INUSE_ATTRIBUTE_ERR: 10,
  INVALID_STATE_ERR: 11,
  SYNTAX_ERR: 12,
  INVALID_MODIFICATION_ERR: 13,
  NAMESPACE_ERR: 14,
  INVALID_ACCESS_ERR: 15,
  VALIDATION_ERR: 16,
  TYPE_MISMATCH_ERR: 17,
  SECURITY_ERR: 18,
  NETWORK_ERR: 19,
  ABORT_ERR: 20,
  URL_MISMATCH_ERR: 21,
  QUOTA_EXCEEDED_ERR: 22,
  TIMEOUT_ERR: 23,
  INVALID_NODE_TYPE_ERR: 24,
  DATA_CLONE_ERR: 25,
};
for (const name in CONSTANTS) {
  const constant = { value: CONSTANTS[name], writable: false, enumerable: true, configurable: false };
  ReflectDefineProperty(DOMException, name, constant);
  ReflectDefineProperty(DOMException.prototype, name, constant);
}

module.exports = { __proto__: null, DOMException };
