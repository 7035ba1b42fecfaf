package dockerfile

// java is bytecode: the same for every platform.
var java = Recipe{
	Code: "java", Name: "Java",
	Commands: []string{"mvn", "mvnw", "gradle", "gradlew", "javac", "jar", "ant", "sbt", "kotlinc", "scalac", "lein"},
	Vouch:    VouchNative, If: "what is taken from the stage is bytecode only, not a Java runtime or a native image",
}
