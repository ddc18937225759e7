export default () => "é𝒳\u2028" + "🎉" + String.raw`\u`;
