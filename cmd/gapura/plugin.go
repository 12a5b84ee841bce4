package main

type pluginCmd struct {
	Test pluginTest `cmd:"" help:"Start a plugin, print its facts, and try it on a message."`
	List pluginList `cmd:"" help:"Start the configured plugins, and print what they are."`
}
