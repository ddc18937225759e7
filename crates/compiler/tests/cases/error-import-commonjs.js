function f() { import x from "@/x"; }
